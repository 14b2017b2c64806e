import './base.css';
import './runs.css';
import './machines.css';
