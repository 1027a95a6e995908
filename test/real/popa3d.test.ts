import { popa3d } from './servers/popa3d.ts'
import { matrix } from './support/matrix.ts'

matrix(popa3d)
