import { createRoot } from 'react-dom/client';
import { App } from './App.tsx';
import { Boundary } from './ui/Boundary.tsx';
import './styles/base.css';
import './styles/controls.css';
import './styles/choices.css';
import './styles/layout.css';
import './styles/welcome.css';
import './styles/messages.css';
import './styles/composer.css';
import './styles/card.css';
import './styles/feed.css';
import './styles/dialogs.css';
import './styles/viewer.css';

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <Boundary>
      <App />
    </Boundary>,
  );
}
