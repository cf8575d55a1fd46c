import { testWalk } from "./walk.ts";

testWalk("code.sh", { hasKernel: true });
