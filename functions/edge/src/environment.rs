//! The configuration of a Worker, and the adapters made from it. What is made of an environment is kept with it,
//! and an invocation holds its own: an isolate may be given another environment while it lives.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use shared::adapters::Provider;
use shared::adapters::dns::DnsOverHttps;
use shared::adapters::provider::ProviderAdapter;
use shared::adapters::supabase::{Queue, Rpc, Storage};
use shared::auth::service_key::ServiceKeys;
use shared::auth::token::{JwksCache, SharedSecret};
use shared::http::problem::Problem;
use shared::pipeline::{Budget, Drained, Pipeline, PipelineOptions, Sweep, WebhookSender};
use shared::policy::url_policy::AllowedOrigins;
use shared::ports::{Monitoring, Ports, QueueError, WebhookPorts};
use shared::settings::{Kept, Moderation, PerEnvironment, SettingsError, SupabaseSettings, Variables};
use worker::{Env, console_error};

use crate::client::FetchClient;
use crate::host;
use crate::live::{Invocation, LiveUpdates};
use crate::runtime::EdgeRuntime;

thread_local! {
    static MADE: PerEnvironment<Made> = const { PerEnvironment::new() };
}

/// What was made of one environment.
#[derive(Debug, Default)]
pub(crate) struct Made {
    variables: Kept<Vec<(String, String)>>,
    app: Kept<Configured>,
    supabase: Kept<SupabaseSettings>,
    allowed: Kept<AllowedOrigins>,
    moderation: Kept<Option<Moderation>>,
    pub(crate) secret: Kept<Option<SharedSecret>>,
    /// The project's public keys.
    pub(crate) jwks: RefCell<JwksCache>,
}

/// The bindings of one invocation, and what was made of them.
#[derive(Clone)]
pub struct Environment {
    pub(crate) bindings: Env,
    pub(crate) made: Rc<Made>,
}

impl Environment {
    /// For what is no request.
    pub fn new(bindings: Env) -> Self {
        let number = host::environment(&bindings);
        Self::numbered(bindings, number)
    }

    /// `number` is that of [`host::environment`].
    pub(crate) fn numbered(bindings: Env, number: u32) -> Self {
        Self { bindings, made: MADE.with(|made| made.of(number)) }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Environment").finish_non_exhaustive()
    }
}

/// The variables and secrets of a Worker by name.
pub fn variables(env: &Environment) -> Variables<impl Fn(&str) -> Option<String> + use<>> {
    let all = env.made.variables.get_or_make(|| serde_json::from_str(&host::variables(&env.bindings)));
    let all = all.unwrap_or_else(|_| {
        console_error!("configuration: the variables could not be read");
        Rc::default()
    });
    Variables::new(move |name| all.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
}

/// Where a user's webhooks may go.
pub fn webhook_allowed_origins(env: &Environment) -> Result<Rc<AllowedOrigins>, Problem> {
    let made = env.made.allowed.get_or_make(|| variables(env).webhook_allowed_origins());
    made.map_err(|error| misconfigured(&error))
}

/// Who judges prompts before a start, if anybody.
pub fn moderation(env: &Environment) -> Result<Rc<Option<Moderation>>, Problem> {
    env.made.moderation.get_or_make(|| variables(env).moderation()).map_err(|error| misconfigured(&error))
}

/// Supabase with the anon key, for calls in a user's name.
pub fn supabase_for_users(env: &Environment) -> Result<Rc<SupabaseSettings>, Problem> {
    let made = env.made.supabase.get_or_make(|| variables(env).supabase_for_users());
    made.map_err(|error| misconfigured(&error))
}

/// How much one invocation may do within `time`.
pub fn budget(env: &Environment, time: Duration) -> Budget {
    let variables = variables(env);
    Budget { parallel: variables.max_parallel_jobs(), time, jobs: variables.max_jobs_per_invocation() }
}

/// The caller learns no more than that the failure is ours; what is wrong goes to the log.
pub fn misconfigured(error: &SettingsError) -> Problem {
    console_error!("configuration: {error}");
    Problem::internal()
}

/// What is the same in each invocation.
#[derive(Debug)]
struct Configured {
    supabase: SupabaseSettings,
    service_keys: ServiceKeys,
    provider: Provider,
    options: PipelineOptions,
    allowed: AllowedOrigins,
    resolver_url: String,
}

impl Configured {
    fn from_env(env: &Environment) -> Result<Self, SettingsError> {
        let variables = variables(env);
        let provider = Provider::configured(&variables)?;
        let options = PipelineOptions {
            provider_origin: provider.origin().to_owned(),
            callback: variables.callback(Provider::WEBHOOK_PATH, Provider::WEBHOOK_SECRET)?,
        };
        Ok(Self {
            supabase: variables.supabase_for_service()?,
            service_keys: variables.service_keys()?,
            provider,
            options,
            allowed: variables.webhook_allowed_origins()?,
            resolver_url: variables.dns_over_https_url()?,
        })
    }
}

/// What the pipeline works with, as this Worker is configured.
#[derive(Debug)]
pub struct App {
    configured: Rc<Configured>,
    http: FetchClient,
    live: LiveUpdates,
    /// Time, chance and log.
    pub runtime: EdgeRuntime,
}

impl App {
    /// Reads the configuration, for one invocation.
    pub fn from_env(env: &Environment, invocation: &impl Invocation) -> Result<Self, Problem> {
        let configured = env.made.app.get_or_make(|| Configured::from_env(env));
        Ok(Self {
            configured: configured.map_err(|error| misconfigured(&error))?,
            http: FetchClient,
            live: LiveUpdates::new(env, invocation),
            runtime: EdgeRuntime,
        })
    }

    /// The keys with which the private paths may be called.
    pub fn service_keys(&self) -> &ServiceKeys {
        &self.configured.service_keys
    }

    /// Whether predictions made here would call back.
    pub fn asks_for_webhooks(&self) -> bool {
        self.configured.options.callback.is_some()
    }

    /// The provider.
    pub fn provider(&self) -> Client<'_> {
        self.configured.provider.client(&self.http)
    }

    /// How the queue stands.
    pub fn monitoring(&self) -> impl Monitoring {
        Queue::new(self.rpc(), &self.runtime)
    }

    /// SQL functions, called with the service key.
    fn rpc(&self) -> Rpc<'_, FetchClient> {
        let supabase = &self.configured.supabase;
        Rpc::new(&self.http, &supabase.url, &supabase.key, supabase.bearer()).with_live_channel(&self.live)
    }

    /// The pipeline on the real adapters.
    pub fn pipeline(&self) -> Pipeline<'_, EdgePorts<'_>> {
        let ports = EdgePorts {
            queue: Queue::new(self.rpc(), &self.runtime),
            provider: self.provider(),
            store: Storage::new(&self.http, &self.configured.supabase),
            runtime: &self.runtime,
        };
        Pipeline { ports, options: &self.configured.options }
    }

    /// Delivers the webhooks that are ready.
    pub async fn deliver_webhooks(&self, budget: Budget) -> Result<Drained, QueueError> {
        let queue = Queue::new(self.rpc(), &self.runtime);
        self.sender(&queue).drain(&queue, budget).await
    }

    /// Runs what is ready, of every kind.
    pub async fn drain_all(&self, budget: Budget) -> Result<Drained, QueueError> {
        let pipeline = self.pipeline();
        pipeline.drain_all(&self.sender(&pipeline.ports.queue), budget).await
    }

    /// A run of the cron trigger.
    pub async fn sweep(&self, budget: Budget) -> Sweep {
        let pipeline = self.pipeline();
        let queue = &pipeline.ports.queue;
        pipeline.sweep(&self.sender(queue), queue, budget).await
    }

    fn sender<'a>(
        &'a self,
        outbox: &'a Queue<'a, FetchClient, EdgeRuntime>,
    ) -> WebhookSender<'a, EdgeWebhookPorts<'a>> {
        let resolver = DnsOverHttps::new(&self.http, &self.configured.resolver_url);
        let ports = EdgeWebhookPorts { outbox, http: &self.http, resolver, runtime: &self.runtime };
        WebhookSender { ports, allowed: &self.configured.allowed }
    }
}

type Client<'a> = <Provider as ProviderAdapter>::Client<'a, FetchClient>;

/// The real adapters.
pub struct EdgePorts<'a> {
    queue: Queue<'a, FetchClient, EdgeRuntime>,
    provider: Client<'a>,
    store: Storage<'a, FetchClient>,
    runtime: &'a EdgeRuntime,
}

impl<'a> Ports for EdgePorts<'a> {
    type Queue = Queue<'a, FetchClient, EdgeRuntime>;
    type Provider = Client<'a>;
    type Store = Storage<'a, FetchClient>;
    type Runtime = EdgeRuntime;

    fn queue(&self) -> &Self::Queue {
        &self.queue
    }

    fn provider(&self) -> &Self::Provider {
        &self.provider
    }

    fn store(&self) -> &Self::Store {
        &self.store
    }

    fn runtime(&self) -> &EdgeRuntime {
        self.runtime
    }
}

/// The real adapters of the sender of webhooks.
struct EdgeWebhookPorts<'a> {
    outbox: &'a Queue<'a, FetchClient, EdgeRuntime>,
    http: &'a FetchClient,
    resolver: DnsOverHttps<'a, FetchClient>,
    runtime: &'a EdgeRuntime,
}

impl<'a> WebhookPorts for EdgeWebhookPorts<'a> {
    type Outbox = Queue<'a, FetchClient, EdgeRuntime>;
    type Http = FetchClient;
    type Resolver = DnsOverHttps<'a, FetchClient>;
    type Runtime = EdgeRuntime;

    fn outbox(&self) -> &Self::Outbox {
        self.outbox
    }

    fn http(&self) -> &FetchClient {
        self.http
    }

    fn resolver(&self) -> &Self::Resolver {
        &self.resolver
    }

    fn runtime(&self) -> &EdgeRuntime {
        self.runtime
    }
}
