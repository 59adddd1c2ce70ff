// Runs in the page: draws the charts, sorts the table of videos, and adds the reader's own time to the times in UTC.
(() => {
  /** @typedef {import('./charts.ts').ChartData} ChartData */
  /** @typedef {import('chart.js').ChartDataset<'line' | 'bar', (number | null)[] | { x: number, y: number | null }[]>} Dataset */

  const { Chart } = /** @type {{ Chart: typeof import('chart.js').Chart }} */ (/** @type {unknown} */ (globalThis));
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();

  /** @type {(options: Intl.DateTimeFormatOptions) => (time: number) => string} */
  const dates = (options) => {
    const format = new Intl.DateTimeFormat(undefined, options);
    return (time) => format.format(time);
  };
  const localDay = dates({ dateStyle: 'medium' });
  const localHour = dates({ hour: 'numeric', minute: '2-digit', timeZoneName: 'short' });
  const utcMoment = dates({ dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' });
  const utcDay = dates({ dateStyle: 'medium', timeZone: 'UTC' });
  const utcShortDay = dates({ day: 'numeric', month: 'short', timeZone: 'UTC' });
  const utcShortMonth = dates({ month: 'short', year: 'numeric', timeZone: 'UTC' });
  const utcHour = dates({ hour: '2-digit', minute: '2-digit', timeZone: 'UTC' });
  const count = new Intl.NumberFormat('en-GB');
  const shortCount = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
  const percent = new Intl.NumberFormat('en-GB', { style: 'percent', maximumFractionDigits: 1 });

  const MINUTE = 60_000;
  const HOUR = 60 * MINUTE;
  const DAY = 24 * HOUR;

  /** The reader's own day is named only where it is another one than in UTC. */
  /** @type {(time: number) => string} */
  const local = (time) => (localDay(time) === utcDay(time) ? localHour(time) : `${localDay(time)}, ${localHour(time)}`);

  function addLocalTimes() {
    const zone = document.getElementById('zone');
    if (zone !== null) zone.textContent = `; yours is ${timeZone}`;
    for (const element of document.querySelectorAll('time')) {
      const text = local(Date.parse(element.dateTime));
      element.title = text;
      if (element.hasAttribute('data-local') && timeZone !== 'UTC') element.append(` (${text})`);
    }
    for (const element of document.querySelectorAll('[data-hour]')) {
      if (timeZone === 'UTC') continue;
      const today = Math.floor(Date.now() / DAY) * DAY;
      element.append(` (${localHour(today + Number(element.getAttribute('data-hour')) * HOUR)})`);
    }
  }

  /** Steps of a time axis that people count in. */
  const STEPS = [
    ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
    ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
    ...[1, 2, 4, 7, 14, 28, 56, 91, 182, 364].map((days) => days * DAY),
  ];
  /** Pixels that a label of the time axis takes. */
  const LABEL = 84;

  /** @type {(min: number, max: number, width: number) => { value: number }[]} */
  function timeTicks(min, max, width) {
    const most = Math.max(2, Math.floor(width / LABEL));
    const step = STEPS.find((each) => (max - min) / each <= most) ?? 364 * DAY;
    const ticks = [];
    for (let value = Math.ceil(min / step) * step; value <= max; value += step) ticks.push({ value });
    return ticks;
  }

  /** @type {(value: number, span: number) => string | string[]} */
  function timeLabel(value, span) {
    if (span > 400 * DAY) return utcShortMonth(value);
    if (value % DAY === 0) return utcShortDay(value);
    return span > DAY ? [utcShortDay(value), utcHour(value)] : utcHour(value);
  }

  /** @type {(axis: ChartData['axis'], x: number) => string} */
  function fullName(axis, x) {
    switch (axis) {
      case 'TIME':
        return timeZone === 'UTC' ? `${utcMoment(x)} UTC` : `${utcMoment(x)} UTC (${local(x)})`;
      case 'DAY':
        return `${utcDay(x)} (UTC)`;
      case 'SECOND':
        return `Second ${x}`;
      case 'HOUR':
        return `${String(x).padStart(2, '0')}:00 UTC`;
    }
  }

  /** @type {(name: string) => string} */
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  /** @type {(data: ChartData) => Dataset[]} */
  function datasets({ shape, axis, series }) {
    const isCategory = axis === 'DAY' || axis === 'HOUR';
    return series.map(({ name, points, below }, index) => {
      const own = colour(`--series-${index + 1}`);
      const isLine = shape === 'LINE';
      /** @type {Dataset} */
      const dataset = {
        type: isLine ? 'line' : 'bar',
        label: name,
        data: isCategory ? points.map(({ y }) => (y !== null && below ? -y : y)) : [...points],
        borderColor: own,
        backgroundColor: isLine ? colour('--fill') : own,
      };
      const look = isLine
        ? {
            fill: true,
            borderWidth: 2,
            pointBackgroundColor: own,
            pointRadius: points.length > 31 ? 0 : 3,
            pointHoverRadius: 5,
            pointHitRadius: 12,
            // A mark on the edge is drawn whole.
            clip: 8,
          }
        : { borderRadius: 3, maxBarThickness: 28, stack: 'one' };
      return Object.assign(dataset, look);
    });
  }

  /** @type {(canvas: HTMLCanvasElement, data: ChartData) => import('chart.js').Chart} */
  function draw(canvas, data) {
    const { axis, unit, series, shape } = data;
    const xs = series[0]?.points.map(({ x }) => x) ?? [];
    const all = series.flatMap(({ points }) => points.map(({ x }) => x));
    const isCategory = axis === 'DAY' || axis === 'HOUR';
    const [text, grid] = [colour('--quiet'), colour('--line')];
    const font = { family: getComputedStyle(document.body).fontFamily, size: 12 };
    /** @type {(value: number) => string} */
    const shown = (value) => (unit === 'COUNT' ? count.format(Math.round(Math.abs(value))) : percent.format(value));
    /** @type {(value: string | number) => string} */
    const shortly = (value) =>
      unit === 'COUNT' ? shortCount.format(Math.abs(Number(value))) : percent.format(Number(value));
    /** @type {(index: number) => string} */
    const category = (index) => {
      const x = xs[index] ?? 0;
      return axis === 'DAY' ? utcShortDay(x) : `${String(x).padStart(2, '0')}:00`;
    };
    return new Chart(canvas, {
      type: shape === 'LINE' ? 'line' : 'bar',
      data: { labels: isCategory ? xs : [], datasets: /** @type {any} */ (datasets(data)) },
      options: {
        responsive: true,
        maintainAspectRatio: false,
        animation: false,
        interaction: { mode: isCategory ? 'index' : 'nearest', axis: 'x', intersect: false },
        scales: {
          x: {
            type: isCategory ? 'category' : 'linear',
            ...(isCategory ? { stacked: shape === 'BAR' } : { min: Math.min(...all), max: Math.max(...all) }),
            grid: { display: false },
            border: { color: grid },
            afterBuildTicks: (scale) => {
              if (axis === 'TIME') scale.ticks = timeTicks(scale.min, scale.max, scale.chart.width);
            },
            ticks: {
              color: text,
              font,
              maxRotation: 0,
              autoSkipPadding: 14,
              includeBounds: false,
              callback(value, index) {
                if (isCategory) return category(Number(value));
                if (axis === 'TIME') return timeLabel(Number(value), this.max - this.min);
                return Number.isInteger(value) || index === 0 ? `${value} s` : '';
              },
            },
          },
          y: {
            stacked: shape === 'BAR',
            // The followers of an account move by little: from 0 on nothing of it would be seen.
            beginAtZero: axis !== 'DAY' || shape === 'BAR',
            grid: { color: grid },
            border: { display: false },
            ticks: {
              color: text,
              font,
              maxTicksLimit: 6,
              ...(unit === 'COUNT' ? { precision: 0 } : {}),
              callback: shortly,
            },
          },
        },
        plugins: {
          legend: {
            display: series.length > 1,
            position: 'top',
            align: 'start',
            labels: { color: text, font, boxWidth: 12, boxHeight: 8, padding: 16 },
          },
          tooltip: {
            callbacks: {
              title: ([item]) => {
                if (item === undefined) return '';
                return fullName(axis, isCategory ? (xs[item.dataIndex] ?? 0) : (item.parsed.x ?? 0));
              },
              label: ({ dataset, parsed }) => `${dataset.label}: ${shown(parsed.y ?? 0)}`,
            },
          },
        },
      },
    });
  }

  function drawCharts() {
    const source = document.getElementById('charts')?.textContent ?? '[]';
    const all = /** @type {ChartData[]} */ (JSON.parse(source));
    /** @type {import('chart.js').Chart[]} */
    let drawn = [];
    const redraw = () => {
      for (const chart of drawn) chart.destroy();
      drawn = all.flatMap((data) => {
        const canvas = document.getElementById(data.id);
        return canvas instanceof HTMLCanvasElement ? [draw(canvas, data)] : [];
      });
    };
    redraw();
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
    // Paper is white and narrower: its colours and widths are those of the style for print.
    matchMedia('print').addEventListener('change', redraw);
  }

  /** Headings become buttons: the first click puts the largest first, the next one the smallest. What is not known stays last. */
  function makeSortable() {
    const table = document.getElementById('video-table');
    const body = table?.querySelector('tbody');
    if (!(table instanceof HTMLTableElement) || !(body instanceof HTMLTableSectionElement)) return;
    const headings = [...table.querySelectorAll('th[data-sortable]')];
    /** @type {(row: HTMLTableRowElement, column: number) => number | undefined} */
    const numberOf = (row, column) => {
      const value = row.cells[column]?.getAttribute('data-value');
      return value === null || value === undefined ? undefined : Number(value);
    };
    for (const heading of headings) {
      if (!(heading instanceof HTMLTableCellElement)) continue;
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener('click', () => {
        const isDescending = heading.getAttribute('aria-sort') !== 'descending';
        for (const each of headings) each.removeAttribute('aria-sort');
        heading.setAttribute('aria-sort', isDescending ? 'descending' : 'ascending');
        const rows = [...body.rows].sort((one, other) => {
          const [a, b] = [numberOf(one, heading.cellIndex), numberOf(other, heading.cellIndex)];
          if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
          return isDescending ? b - a : a - b;
        });
        body.append(...rows);
      });
    }
    document.documentElement.classList.add('sorts');
  }

  addLocalTimes();
  makeSortable();
  drawCharts();
})();
