/**
 * Property tests draw the same values in every run, so that one tree has one verdict. `FC_SEED=random npm test` draws anew, and `FC_SEED=N`
 * draws again what a failure printed.
 */
import fc from 'fast-check'

const wanted = process.env['FC_SEED'] ?? '1939'
if (wanted !== 'random') fc.configureGlobal({ seed: Number(wanted) })
