/** What an app is shown of one channel. */
import type { FeedChannel } from "./feed-channel.js";
import { type ChannelStatus, trouble } from "./status.js";

export function channelStatus({
  state,
  held: { ready },
  serverStatus,
  staleSince,
  done,
}: FeedChannel): ChannelStatus {
  const shown = {
    ready,
    staleSince: ready ? staleSince : undefined,
    trouble: "cause" in state ? trouble(state.cause) : undefined,
  };
  switch (state.name) {
    case "detached":
    case "broken":
      return { state: "waiting", ...shown };
    case "attaching":
    case "collecting":
      return { state: ready ? "catchingUp" : "loading", ...shown };
    case "loading":
      return { state: "loading", ready, done };
    case "ready": {
      const { state: name, rowsDone, rowsTotal } = serverStatus;
      if (name === "ready") return { state: ready ? "live" : "loading", ready };
      return { state: name, ready, done: rowsDone ?? 0, total: rowsTotal };
    }
    case "refused":
      return { state: "refused", ...shown };
  }
}
