// From few users to 1,200 within moments, and again.
import { scenario, user } from './lib.js';

export const options = scenario(1200, '5m', [
  [0.15, 0.04], [0.02, 1], [0.28, 1], [0.02, 0.04], [0.16, 0.04], [0.02, 1], [0.28, 1], [0.02, 0.04], [0.05, 0],
]);
export default user;
