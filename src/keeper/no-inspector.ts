/**
 * Attack: a front under the same user sends SIGUSR1 to its parent, Node opens the inspector there, and the front runs code in the
 * keeper. A listener of our own takes the signal's place. `--disable-sigusr1` does the same from the first moment on;
 * this holds however the program was started.
 */
export function refuseInspector(noticed: () => void): void {
  process.on('SIGUSR1', noticed)
}
