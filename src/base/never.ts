/**
 * Ends an exhaustive switch: the compiler refuses the call as long as a variant is left over.
 * Throws when data from outside the type system gets here all the same.
 */
export function never(left: never): never {
  throw new Error(`unhandled variant: ${JSON.stringify(left)}`)
}
