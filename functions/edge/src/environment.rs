//! The configuration of a Worker, and the adapters made from it.

use std::time::Duration;

use shared::dns::DnsOverHttps;
use shared::pipeline::{Budget, Courier, Drained, Pipeline, PipelineOptions, Sweep};
use shared::ports::{Ports, QueueError};
use shared::problem::Problem;
use shared::replicate::Client;
use shared::service_key::ServiceKeys;
use shared::settings::{ReplicateSettings, SettingsError, SupabaseSettings, Variables};
use shared::supabase::{Queue, Rpc, Storage};
use shared::url_policy::AllowedOrigins;
use worker::{Env, console_error};

use crate::client::FetchClient;
use crate::live::{Invocation, LiveUpdates};
use crate::world::EdgeWorld;

/// The variables and secrets of a Worker by name.
pub fn variables(env: &Env) -> Variables<impl Fn(&str) -> Option<String> + '_> {
    Variables::new(|name| env.var(name).ok().map(|value| value.to_string()))
}

/// How much one invocation may do within `time`.
pub fn budget(env: &Env, time: Duration) -> Budget {
    let variables = variables(env);
    Budget { parallel: variables.max_parallel_jobs(), time, jobs: variables.max_jobs_per_invocation() }
}

/// The caller learns no more than that it is our fault; what is wrong goes to the log.
pub fn misconfigured(error: &SettingsError) -> Problem {
    console_error!("configuration: {error}");
    Problem::internal()
}

/// What the pipeline works with, as this Worker is configured.
#[derive(Debug)]
pub struct Workplace {
    /// Supabase, with the service key.
    pub supabase: SupabaseSettings,
    /// The keys with which the private paths may be called.
    pub service_keys: ServiceKeys,
    /// Replicate.
    pub replicate: ReplicateSettings,
    options: PipelineOptions,
    allowed: AllowedOrigins,
    resolver_url: String,
    http: FetchClient,
    live: LiveUpdates,
    /// Time, chance and log.
    pub world: EdgeWorld,
}

impl Workplace {
    /// Reads the configuration, for one invocation.
    pub fn from_env(env: &Env, invocation: &impl Invocation) -> Result<Self, Problem> {
        Self::try_from_env(env, invocation).map_err(|error| misconfigured(&error))
    }

    fn try_from_env(env: &Env, invocation: &impl Invocation) -> Result<Self, SettingsError> {
        let variables = variables(env);
        let replicate = variables.replicate()?;
        let options = PipelineOptions {
            provider_origin: replicate.origin.clone(),
            webhook_base: variables.webhook_base()?,
        };
        Ok(Self {
            supabase: variables.supabase_for_service()?,
            service_keys: variables.service_keys()?,
            replicate,
            options,
            allowed: variables.webhook_allowed_origins()?,
            resolver_url: variables.dns_over_https_url()?,
            http: FetchClient,
            live: LiveUpdates::new(env, invocation),
            world: EdgeWorld,
        })
    }

    /// Whether predictions made here would call back.
    pub fn asks_for_webhooks(&self) -> bool {
        self.options.webhook_base.is_some()
    }

    /// The provider.
    pub fn provider(&self) -> Client<'_, FetchClient> {
        Client::new(&self.http, &self.replicate.origin, &self.replicate.token)
    }

    /// SQL functions, called with the service key.
    pub fn rpc(&self) -> Rpc<'_, FetchClient> {
        Rpc::new(&self.http, &self.supabase.url, &self.supabase.key, self.supabase.bearer())
            .telling(&self.live)
    }

    /// The pipeline on the real adapters.
    pub fn pipeline(&self) -> Pipeline<'_, EdgePorts<'_>> {
        let ports = EdgePorts {
            queue: Queue::new(self.rpc(), &self.world),
            provider: self.provider(),
            store: Storage::new(&self.http, &self.supabase),
            runtime: &self.world,
        };
        Pipeline { ports, options: &self.options }
    }

    /// Delivers the webhooks that are ready.
    pub async fn deliver_webhooks(&self, budget: Budget) -> Result<Drained, QueueError> {
        let queue = Queue::new(self.rpc(), &self.world);
        self.courier(&queue, &self.resolver()).drain(&queue, budget).await
    }

    /// Runs what is ready, of every kind.
    pub async fn drain_all(&self, budget: Budget) -> Result<Drained, QueueError> {
        let pipeline = self.pipeline();
        pipeline.drain_all(&self.courier(&pipeline.ports.queue, &self.resolver()), budget).await
    }

    /// A run of the cron trigger.
    pub async fn sweep(&self, budget: Budget) -> Sweep {
        let pipeline = self.pipeline();
        let queue = &pipeline.ports.queue;
        pipeline.sweep(&self.courier(queue, &self.resolver()), queue, budget).await
    }

    fn resolver(&self) -> DnsOverHttps<'_, FetchClient> {
        DnsOverHttps::new(&self.http, &self.resolver_url)
    }

    fn courier<'a>(
        &'a self,
        outbox: &'a Queue<'a, FetchClient, EdgeWorld>,
        resolver: &'a DnsOverHttps<'a, FetchClient>,
    ) -> EdgeCourier<'a> {
        Courier { outbox, http: &self.http, resolver, world: &self.world, allowed: &self.allowed }
    }
}

type EdgeCourier<'a> =
    Courier<'a, Queue<'a, FetchClient, EdgeWorld>, FetchClient, DnsOverHttps<'a, FetchClient>, EdgeWorld>;

/// The real adapters.
pub struct EdgePorts<'a> {
    queue: Queue<'a, FetchClient, EdgeWorld>,
    provider: Client<'a, FetchClient>,
    store: Storage<'a, FetchClient>,
    runtime: &'a EdgeWorld,
}

impl<'a> Ports for EdgePorts<'a> {
    type Queue = Queue<'a, FetchClient, EdgeWorld>;
    type Provider = Client<'a, FetchClient>;
    type Store = Storage<'a, FetchClient>;
    type Runtime = EdgeWorld;

    fn queue(&self) -> &Self::Queue {
        &self.queue
    }

    fn provider(&self) -> &Self::Provider {
        &self.provider
    }

    fn store(&self) -> &Self::Store {
        &self.store
    }

    fn runtime(&self) -> &EdgeWorld {
        self.runtime
    }
}
