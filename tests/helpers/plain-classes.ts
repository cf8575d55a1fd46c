import { installPlainClasses } from "../../src/edge/web/install.ts";

installPlainClasses();
