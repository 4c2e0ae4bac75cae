/** What is asked of the broker, each beside plain `ws` in the same run. */
import type { Bench } from "./figure.js";
import { fanout } from "./fanout.js";

export const brokerBenches: readonly Bench[] = [fanout];
