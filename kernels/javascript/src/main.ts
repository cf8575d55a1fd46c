// Starts the kernel: requests on descriptor 3, events on descriptor 4 (see ../../PROTOCOL.md).
import { Channel } from "./channel.ts";
import { claimDescriptors } from "./descriptors.ts";
import { Interrupts } from "./interrupts.ts";
import { Kernel } from "./kernel.ts";
import { RequestReader } from "./requests.ts";
import { replaceStreams } from "./streams.ts";

const [, , language = "javascript"] = process.argv;
process.argv.length = 1;
const descriptors = claimDescriptors();
const interrupts = new Interrupts();
const channel = new Channel(descriptors, interrupts);
replaceStreams(channel);
const kernel = new Kernel({ channel, interrupts, language });
const requests = new RequestReader(descriptors.requests, kernel);
interrupts.start({
  onInterrupt: () => kernel.interrupt(),
  descriptor: descriptors.requests,
  onReadable: () => requests.read(),
});
