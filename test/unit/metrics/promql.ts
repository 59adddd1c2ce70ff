import { parser } from '@prometheus-io/lezer-promql';

type Node = ReturnType<typeof parser.parse>['topNode'];

export type Selector = {
  readonly metric: string;
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[];
  /** The innermost function around it, such as `rate`. */
  readonly calledBy: string | undefined;
};
export type Query = {
  readonly selectors: readonly Selector[];
  /** Each `by (…)`, with the selectors that it groups. */
  readonly groupings: readonly { readonly labels: readonly string[]; readonly selectors: readonly Selector[] }[];
  /** The labels that a result may have: what aggregations leave. Undefined: all, for nothing is aggregated. */
  readonly resultLabels: readonly string[] | undefined;
};

/** What a query asks for. Throws at what is no PromQL. */
export function parsePromql(query: string): Query {
  const top = parser.parse(query).topNode;
  const textOf = ({ from, to }: Node): string => query.slice(from, to);
  const all = (node: Node, name: string): Node[] => {
    const found: Node[] = [];
    node.cursor().iterate((each) => {
      if (each.type.isError) throw new Error(`no PromQL at ${each.from}: ${query}`);
      if (each.name === name) found.push(each.node);
    });
    return found;
  };

  const selectorOf = (node: Node): Selector => {
    const [name] = all(node, 'Identifier');
    if (name === undefined) throw new Error(`a selector without a name: ${query}`);
    let above = node.parent;
    while (above !== null && above.name !== 'FunctionCall') above = above.parent;
    const called = above?.getChild('FunctionIdentifier');
    return {
      metric: textOf(name),
      matchers: all(node, 'UnquotedLabelMatcher').map((matcher) => {
        const [label, operator, value] = ['LabelName', 'MatchOp', 'StringLiteral'].map((part) => {
          const child = matcher.getChild(part);
          return child === null ? '' : textOf(child);
        });
        return { label: label ?? '', operator: operator ?? '', value: JSON.parse(value ?? '') };
      }),
      calledBy: called ? textOf(called) : undefined,
    };
  };
  const selectorsOf = (node: Node): readonly Selector[] => all(node, 'VectorSelector').map(selectorOf);

  const aggregates = all(top, 'AggregateExpr').map((node) => {
    const modifier = node.getChild('AggregateModifier');
    if (modifier?.getChild('Without')) throw new Error(`name the labels that stay, with by: ${query}`);
    return { labels: modifier ? all(modifier, 'LabelName').map(textOf) : [], selectors: selectorsOf(node) };
  });
  return {
    selectors: selectorsOf(top),
    groupings: aggregates,
    resultLabels: aggregates.length === 0 ? undefined : aggregates.flatMap(({ labels }) => labels),
  };
}
