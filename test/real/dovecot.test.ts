import { dovecot } from './servers/dovecot.ts'
import { matrix } from './support/matrix.ts'

matrix(dovecot)
