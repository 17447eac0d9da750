//! A store that remembers what was written where.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use shared::policy::image_file::{ImageFormat, ImageHead};
use shared::ports::{Bucket, Failure, FailureCode, ImageStore, StoreError, StoredImage};
use uuid::Uuid;

use super::wire::{Fault, Wire};

pub struct MemoryStore {
    wire: Rc<Wire>,
    /// Source URL of each file, by path; of uploads `source-images/` and their path.
    pub files: RefCell<BTreeMap<String, String>>,
    /// What an upload begins with.
    pub upload: RefCell<Vec<u8>>,
}

/// The beginning of a PNG of 3 by 2 pixels.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0";

impl MemoryStore {
    pub fn new(wire: Rc<Wire>) -> Self {
        Self { wire, files: RefCell::default(), upload: RefCell::new(PNG.to_vec()) }
    }
}

impl ImageStore for MemoryStore {
    async fn sign(&self, bucket: Bucket, path: &str, life: Duration) -> Result<String, StoreError> {
        match self.wire.request("sign", &[Fault::LostRequest]).await {
            None => {
                let (bucket, life) = (bucket.name(), life.as_secs());
                Ok(format!("https://project.supabase.co/signed/{bucket}/{path}?life={life}"))
            }
            Some(Fault::Rejected) => {
                let failure =
                    Failure::new(FailureCode::SourceMissing, "The source image is no longer stored.");
                Err(StoreError::Permanent(failure.with_cause("404")))
            }
            Some(_) => Err(StoreError::Transient("connection lost".into())),
        }
    }

    async fn peek(&self, _: Bucket, _: &str, bytes: usize) -> Result<Vec<u8>, StoreError> {
        match self.wire.request("peek", &[Fault::LostRequest]).await {
            None => Ok(self.upload.borrow().iter().copied().take(bytes).collect()),
            Some(Fault::Rejected) => {
                let failure =
                    Failure::new(FailureCode::SourceMissing, "The source image is no longer stored.");
                Err(StoreError::Permanent(failure.with_cause("404")))
            }
            Some(_) => Err(StoreError::Transient("connection lost".into())),
        }
    }

    async fn store(&self, source_url: &str, folder: Uuid, name: Uuid) -> Result<StoredImage, StoreError> {
        let faults = [Fault::LostRequest, Fault::LostAnswer];
        let fault = self.wire.request("store", &faults).await;
        match fault {
            Some(Fault::LostRequest) => return Err(StoreError::Transient("connection lost".into())),
            Some(Fault::Rejected) => {
                let failure =
                    Failure::new(FailureCode::OutputUnusable, "The model's answer was not an image.");
                return Err(StoreError::Permanent(failure.with_cause("text/html")));
            }
            Some(Fault::Gone) => return Err(StoreError::Gone("the output answered 404".into())),
            _ => {}
        }
        let path = format!("{folder}/{name}.webp");
        self.files.borrow_mut().insert(path.clone(), source_url.to_owned());
        self.wire.answer().await;
        if fault.is_some() {
            return Err(StoreError::Transient("no answer in time".into()));
        }
        let public_url =
            format!("https://project.supabase.co/storage/v1/object/public/generated-images/{path}");
        let head = ImageHead { format: ImageFormat::Webp, size: Some((1024, 1024)) };
        Ok(StoredImage { path, public_url, bytes: 123_456, head })
    }

    async fn remove(&self, bucket: Bucket, paths: &[String]) -> Result<(), StoreError> {
        let fault = self.wire.request("remove", &[Fault::LostRequest, Fault::LostAnswer]).await;
        if fault == Some(Fault::LostRequest) {
            return Err(StoreError::Transient("connection lost".into()));
        }
        let key = |path: &String| match bucket {
            Bucket::Images => path.clone(),
            Bucket::Sources => format!("{}/{path}", bucket.name()),
        };
        let gone: Vec<String> = paths.iter().map(key).collect();
        self.files.borrow_mut().retain(|path, _| !gone.contains(path));
        self.wire.answer().await;
        if fault.is_some() { Err(StoreError::Transient("no answer in time".into())) } else { Ok(()) }
    }
}
