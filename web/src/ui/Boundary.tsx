import { Component, type ReactNode } from 'react';
import { Banner } from './Banner.tsx';
import { Button } from './Button.tsx';

const TEXT =
  'Your pictures are safe, and those that you have started are still being made. If this happens again, reload the page.';

interface BoundaryProps {
  children: ReactNode;
  /** What has not been lost, and what to do if it happens again; the studio's, unless another is given. */
  text?: string;
  /** The class of the page. */
  className?: string;
}

/**
 * The last net: where the page itself breaks, because something else has changed its elements for example, it
 * says so and can be shown anew. Nothing is lost: what was started goes on on the server.
 */
export class Boundary extends Component<BoundaryProps, { broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  override render() {
    if (!this.state.broken) return this.props.children;
    return (
      <main className={this.props.className ?? 'loading'} id="main">
        <Banner
          tone="bad"
          title="Something went wrong on this page"
          action={<Button onClick={() => this.setState({ broken: false })}>Show it again</Button>}
        >
          {this.props.text ?? TEXT}
        </Banner>
        <Button onClick={() => location.reload()}>Reload the page</Button>
      </main>
    );
  }
}
