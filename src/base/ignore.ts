/**
 * A listener for errors that others look after. One for all connections: a function made on the spot keeps what stands around it in
 * memory for as long as the connection lives.
 */
export const ignore = (): void => undefined
