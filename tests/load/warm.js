// Reads alone: nearly all of them must be answered from the cache.
import { reader, scenario } from './lib.js';

export const options = scenario(200, '3m', [[0.1, 1], [0.8, 1], [0.1, 0]], { cache_hits: ['rate>0.95'] });
export default reader;
