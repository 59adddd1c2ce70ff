import { cruise, type ICruiseOptions, type ICruiseResult } from 'dependency-cruiser';
import extractDepcruiseOptions from 'dependency-cruiser/config-utl/extract-depcruise-options';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';

/**
 * The dependency rule of .dependency-cruiser.cjs. A check that sees nothing is green for nothing: without a TypeScript it can
 * use, dependency-cruiser finds no import at all, so every layer has to be seen with imports of its own.
 */
const options = (await extractDepcruiseOptions('./.dependency-cruiser.cjs')) as ICruiseOptions;
const { output } = await cruise(['src', 'sandbox', 'clients'], { ...options, validate: true }, undefined, {
  tsConfig: extractTSConfig('./tsconfig.json'),
});
const { modules, summary } = output as ICruiseResult;

for (const layer of ['src/domain/', 'src/application/', 'src/adapters/', 'src/container.ts', 'sandbox/', 'clients/']) {
  const seen = modules.filter(({ source }) => source.startsWith(layer));
  if (!seen.some(({ dependencies }) => dependencies.length > 0)) {
    throw new Error(`the layer check saw no imports under ${layer}: it proves nothing`);
  }
}
for (const { rule, from, to } of summary.violations) {
  console.error(`${rule.name}: ${from} must not import ${to}`);
}
console.log(
  `${modules.length} modules, ${summary.totalDependenciesCruised} imports, ${summary.violations.length} violations`,
);
process.exitCode = summary.violations.length === 0 ? 0 : 1;
