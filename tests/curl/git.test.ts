import { testWalk } from "./walk.ts";

testWalk("git.sh");
