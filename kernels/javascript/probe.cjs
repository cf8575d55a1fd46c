// Says in one line of JSON whether this Node can run the kernel. Kept in syntax that any Node can read.
"use strict";
var fs = require("fs");
var path = require("path");
var version = process.versions.node;
var parts = version.split(".").map(Number);
var refusal;
if (parts[0] < 22 || (parts[0] === 22 && parts[1] < 15)) {
  refusal = "Node.js " + version + " is too old, the kernel needs 22.15";
} else if (!fs.existsSync(path.join(__dirname, "built", "driver.cjs"))) {
  refusal = "the driver is not built: run npm run build";
} else {
  try {
    process.dlopen({ exports: {} }, path.join(__dirname, "built", "interrupts.node"));
  } catch (error) {
    refusal = "Node.js " + version + " cannot load the driver's add-on: " + error.message.split("\n")[0];
  }
}
if (refusal) {
  console.error(refusal);
  process.exitCode = 1;
} else {
  console.log(JSON.stringify({ version: version, engine: "node", rank: parts[0] }));
}
