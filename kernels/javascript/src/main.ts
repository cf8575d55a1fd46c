// Starts the kernel: requests on descriptor 3, events on descriptor 4 (see ../../PROTOCOL.md).
import { Channel } from "./channel.ts";
import { claimDescriptors } from "./descriptors.ts";
import { Kernel } from "./kernel.ts";
import { readRequests } from "./requests.ts";
import { replaceStreams } from "./streams.ts";

const [, , language = "javascript"] = process.argv;
process.argv.length = 1;
const descriptors = claimDescriptors();
const channel = new Channel(descriptors);
replaceStreams(channel);
const kernel = new Kernel(channel, language);
readRequests(
  descriptors.requests,
  (request) => kernel.accept(request),
  () => kernel.end(),
);
