import { Component, type ReactNode } from 'react';
import { Banner } from '../../../src/ui/Banner.tsx';
import { Button } from '../../../src/ui/Button.tsx';

/** The last net: where a page breaks, it says so and can be shown anew; the queue knows nothing of it. */
export class Boundary extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  override render() {
    if (!this.state.broken) return this.props.children;
    return (
      <main className="page" id="main">
        <Banner
          tone="bad"
          title="Something went wrong on this page"
          action={<Button onClick={() => this.setState({ broken: false })}>Show it again</Button>}
        >
          The queue goes on. An action that you have just confirmed may have been done: the audit page tells.
        </Banner>
        <Button onClick={() => location.reload()}>Reload the page</Button>
      </main>
    );
  }
}
