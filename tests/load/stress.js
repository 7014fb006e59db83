// Twice the users of the peak, in steps: it may become slower than that, but nobody gets an error.
import { scenario, user } from './lib.js';

export const options = scenario(
  2400,
  '10m',
  [[0.1, 0.25], [0.15, 0.25], [0.1, 0.5], [0.15, 0.5], [0.1, 0.75], [0.1, 0.75], [0.1, 1], [0.1, 1], [0.1, 0]],
  { http_req_duration: ['p(95)<1000'] },
);
export default user;
