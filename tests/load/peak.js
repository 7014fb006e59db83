// 1,200 users, as many as are to be served within 120 ms.
import { scenario, user } from './lib.js';

export const options = scenario(1200, '10m', [[0.2, 1], [0.7, 1], [0.1, 0]]);
export default user;
