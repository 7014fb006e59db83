// Hours of an ordinary day: does memory grow, does it become slower?
import { scenario, user } from './lib.js';

export const options = scenario(200, '2h', [[0.02, 1], [0.96, 1], [0.02, 0]]);
export default user;
