/** What is asked of the broker, beside plain `ws`, and of the whole way to a client, beside the bare slot. */
import { channels } from "./channels.js";
import { connections } from "./connections.js";
import { fanout } from "./fanout.js";
import type { Bench } from "./figure.js";
import { latency } from "./latency.js";
import { storm } from "./storm.js";

export const brokerBenches: readonly Bench[] = [fanout, channels, connections, storm, latency];
