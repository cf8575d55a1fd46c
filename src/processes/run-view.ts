export { endView, runView, statusLine } from "../runs/run-view.ts";
