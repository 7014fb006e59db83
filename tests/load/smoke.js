// One user, each request several times: does it work at all?
import { create, get, list, scenario, search } from './lib.js';

const { stages, ...common } = scenario(1, '10s', [[1, 1]]);
export const options = { ...common, vus: 1, iterations: 10 };

export default function () {
  list();
  get();
  search();
  create();
}
