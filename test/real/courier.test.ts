import { courier } from './servers/courier.ts'
import { matrix } from './support/matrix.ts'

matrix(courier)
