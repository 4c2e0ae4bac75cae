/** What is asked of the broker, each beside plain `ws` in the same run. */
import { channels } from "./channels.js";
import { connections } from "./connections.js";
import { fanout } from "./fanout.js";
import type { Bench } from "./figure.js";
import { storm } from "./storm.js";

export const brokerBenches: readonly Bench[] = [fanout, channels, connections, storm];
