"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const config = { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const value = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Figures carry data and axes; paper, ink and grid are the page's, so that they follow its theme.
  const themed = (layout) => {
    const look = structuredClone(layout);
    const ink = value("--ink"), soft = value("--soft"), grid = value("--grid"), rule = value("--rule");
    Object.assign(look, {
      paper_bgcolor: value("--card"), plot_bgcolor: value("--card"),
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: ink },
      hoverlabel: { bgcolor: value("--card"), bordercolor: rule, font: { color: ink } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: ink },
    });
    for (const axis of Object.keys(look).filter((key) => /^[xy]axis\d*$/.test(key)).map((key) => look[key])) {
      Object.assign(axis, { gridcolor: grid, linecolor: rule, tickcolor: rule, tickfont: { color: soft } });
    }
    return look;
  };

  const draw = () => {
    for (const [name, figure] of Object.entries(figures)) {
      Plotly.react(document.getElementById(`plot-${name}`), figure.data, themed(figure.layout), config);
    }
  };
  draw();
  dark.addEventListener("change", draw);
})();
