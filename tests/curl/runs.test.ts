import { testWalk } from "./walk.ts";

testWalk("runs.sh");
