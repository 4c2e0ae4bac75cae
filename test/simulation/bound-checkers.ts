/** I9: what waits is bounded, whoever is slow. */
import { defaultLimits } from "../../src/broker/broker-limits.js";
import type { MakeChecker } from "./checkers.js";
import { BYTES_SCALE } from "./network.js";
import { pipelineSettings } from "./writer.js";

/** A socket is let run over its limit four times by small frames; the last write may be a page or a delivery. */
const SOCKET_BYTES_MAX = 4 * defaultLimits.socketBytesMax + 400 * BYTES_SCALE;

/** One block flushes, one collects, one transaction waits; rows are told to take more than they do. */
const AHEAD_BYTES_MAX =
  3 * pipelineSettings.blockBytesMax + 2 * pipelineSettings.transactionBytesMax;

export const waitsAreBounded: MakeChecker = (_scene, violated) => {
  let ahead = 0;
  return {
    opened: () => {
      ahead = 0;
    },
    yielded: ({ bytes }) => {
      ahead += bytes;
      if (ahead <= AHEAD_BYTES_MAX) return;
      violated(`${ahead} bytes were read of the source since the last append became durable`);
    },
    durable: () => {
      ahead = 0;
    },
    waiting: (_connection, bytes) => {
      if (bytes > SOCKET_BYTES_MAX) violated(`${bytes} bytes wait in one socket`);
    },
  };
};
