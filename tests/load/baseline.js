// An ordinary day: what the other scenarios are compared with.
import { scenario, user } from './lib.js';

export const options = scenario(100, '5m', [[0.1, 1], [0.8, 1], [0.1, 0]]);
export default user;
