import { testWalk } from "./walk.ts";

testWalk("files.sh");
