import 'uplot/dist/uPlot.min.css';
import './parts.css';
import './base.css';
import './runs.css';
import './machines.css';
import './curves.css';
import './plots.css';
