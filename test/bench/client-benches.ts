/** The benches of what a client's store is asked to do. */
import { apply } from "./apply.js";
import { catchup } from "./catchup.js";
import { subscriber } from "./subscriber.js";

export const clientBenches = [apply, catchup, subscriber];
