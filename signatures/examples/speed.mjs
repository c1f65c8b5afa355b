// Times the module made of speed.rs in V8, and prints what host-tests reads: node speed.mjs MODULE ALGORITHMS ROUNDS
import { readFileSync } from "node:fs";

const [path, algorithms, rounds] = process.argv.slice(2);
const module = new WebAssembly.Module(readFileSync(path));
// Nothing of the system is needed; the standard library names some of it.
const imports = {};
for (const { module: from, name } of WebAssembly.Module.imports(module)) {
  (imports[from] ??= {})[name] = () => { throw new Error(`${name} was called`); };
}
const { exports } = new WebAssembly.Instance(module, imports);

function microseconds(work) {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start) / 1000;
}

function perVerification(verify, times) {
  return microseconds(() => { if (verify(times) !== times) throw new Error("a good signature was refused"); }) / times;
}

const figures = algorithms.split(",").map((algorithm, number) => {
  const bytes = exports.prepare_ours(number);
  exports.prepare_theirs(number);
  // V8 compiles a function well only when it has run a while.
  exports.verify_ours(500);
  exports.verify_theirs(100);
  const figure = { algorithm, bytes, prepare_microseconds: [], ours_microseconds: [], jwt_simple_microseconds: [] };
  for (let round = 0; round < Number(rounds); round += 1) {
    figure.prepare_microseconds.push(microseconds(() => exports.prepare_ours(number)));
    figure.ours_microseconds.push(perVerification(exports.verify_ours, 10));
    figure.jwt_simple_microseconds.push(perVerification(exports.verify_theirs, 1));
  }
  return figure;
});
console.log(JSON.stringify(figures));
