// Installs what images are built and run with: for who goes on meanwhile.
import { join } from "node:path";
import { prepareImageTools } from "./prepare-machine.ts";

prepareImageTools(join(import.meta.dirname, "..", ".."));
