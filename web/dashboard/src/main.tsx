import { createRoot } from 'react-dom/client';
import { Boundary } from '../../src/ui/Boundary.tsx';
import { App } from './App.tsx';
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
import { BROKEN } from './frame/broken.ts';

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <Boundary className="page" text={BROKEN}>
      <App />
    </Boundary>,
  );
}
