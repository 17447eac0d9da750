import { createRoot } from 'react-dom/client';
import { App } from './App.tsx';
import { Boundary } from './frame/Boundary.tsx';
import '../../src/styles/base.css';
import '../../src/styles/controls.css';
import '../../src/styles/choices.css';
import '../../src/styles/layout.css';
import '../../src/styles/messages.css';
import '../../src/styles/dialogs.css';
import './styles/frame.css';
import './styles/parts.css';
import './styles/table.css';
import './styles/chart.css';

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <Boundary>
      <App />
    </Boundary>,
  );
}
