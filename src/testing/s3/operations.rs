//! The operations of S3 on the state, as s3s calls them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CreateBucketInput,
    CreateBucketOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteBucketInput,
    DeleteBucketOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput,
    DeleteObjectsOutput, GetBucketLocationInput, GetBucketLocationOutput, GetBucketVersioningInput,
    GetBucketVersioningOutput, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput,
    HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput,
    ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectVersionsInput,
    ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, ListPartsInput, ListPartsOutput, PutBucketVersioningInput,
    PutBucketVersioningOutput, PutObjectInput, PutObjectOutput, StreamingBlob, UploadPartCopyInput,
    UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, TrailingHeaders};

use super::state::State;
use super::writes::Body;
use super::{buckets, checksums, copies, deletes, errors, listings, reads, uploads, writes};

/// The operations on a state that all connections share.
#[derive(Clone, Debug)]
pub(super) struct Operations(Arc<Mutex<State>>);

/// The body of a request as it was received. It is an extension of the request, for operations whose body s3s reads.
#[derive(Clone, Debug, Default)]
pub(super) struct ReceivedBody(pub(super) Bytes);

impl Operations {
    pub(super) fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A panic in an operation already fails its test through the lost connection. Later assertions may still read the state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a body to its end.
async fn receive(body: Option<StreamingBlob>, trailers: Option<TrailingHeaders>) -> S3Result<Body> {
    let bytes = match body {
        Some(body) => {
            let collected = s3s::Body::from(body).collect().await.map_err(unreadable)?;
            collected.to_bytes()
        }
        None => Bytes::new(),
    };
    let trailing = trailers.and_then(|trailers| trailers.read(checksums::in_headers));
    Ok(Body { bytes, trailing: trailing.unwrap_or_default() })
}

/// Returns the error of a body that does not match its signature or its length.
fn unreadable(source: s3s::StdError) -> S3Error {
    let mut error = errors::custom(
        StatusCode::BAD_REQUEST,
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.".to_owned(),
    );
    error.set_source(source);
    error
}

type Answer<T> = S3Result<S3Response<T>>;

#[async_trait]
impl S3 for Operations {
    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> Answer<ListBucketsOutput> {
        Ok(S3Response::new(buckets::list(&self.state())))
    }

    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> Answer<CreateBucketOutput> {
        Ok(S3Response::new(buckets::create(&mut self.state(), request.input)))
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        self.state().bucket(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput {
            bucket_region: Some(buckets::REGION.to_owned()),
            ..Default::default()
        }))
    }

    async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> Answer<DeleteBucketOutput> {
        buckets::delete(&mut self.state(), &request.input.bucket)?;
        Ok(S3Response::new(DeleteBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> Answer<GetBucketLocationOutput> {
        // The region `us-east-1` has no name here.
        self.state().bucket(&request.input.bucket)?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> Answer<GetBucketVersioningOutput> {
        buckets::versioning(&self.state(), &request.input.bucket).map(S3Response::new)
    }

    async fn put_bucket_versioning(
        &self,
        request: S3Request<PutBucketVersioningInput>,
    ) -> Answer<PutBucketVersioningOutput> {
        buckets::set_versioning(&mut self.state(), &request.input).map(S3Response::new)
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> Answer<ListObjectsOutput> {
        listings::objects_v1(&self.state(), request.input).map(S3Response::new)
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> Answer<ListObjectsV2Output> {
        listings::objects_v2(&self.state(), request.input).map(S3Response::new)
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> Answer<ListObjectVersionsOutput> {
        listings::versions(&self.state(), request.input).map(S3Response::new)
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        listings::uploads(&self.state(), request.input).map(S3Response::new)
    }

    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> Answer<ListPartsOutput> {
        listings::parts(&self.state(), request.input).map(S3Response::new)
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        reads::get(&self.state(), request.input).map(S3Response::new)
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        reads::head(&self.state(), request.input).map(S3Response::new)
    }

    async fn put_object(&self, mut request: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        let body = receive(request.input.body.take(), request.trailing_headers.take()).await?;
        writes::put(&mut self.state(), request.input, body).map(S3Response::new)
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        copies::copy(&mut self.state(), request.input, &request.headers).map(S3Response::new)
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> Answer<DeleteObjectOutput> {
        deletes::one(&mut self.state(), request.input).map(S3Response::new)
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> Answer<DeleteObjectsOutput> {
        let body = request.extensions.get::<ReceivedBody>().cloned().unwrap_or_default();
        deletes::many(&mut self.state(), request.input, &request.headers, body.0)
            .map(S3Response::new)
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        uploads::create(&mut self.state(), request.input).map(S3Response::new)
    }

    async fn upload_part(
        &self,
        mut request: S3Request<UploadPartInput>,
    ) -> Answer<UploadPartOutput> {
        let body = receive(request.input.body.take(), request.trailing_headers.take()).await?;
        uploads::put_part(&mut self.state(), request.input, body).map(S3Response::new)
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> Answer<UploadPartCopyOutput> {
        uploads::copy_part(&mut self.state(), request.input).map(S3Response::new)
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        uploads::complete(&mut self.state(), request.input).map(S3Response::new)
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        uploads::abort(&mut self.state(), request.input)?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}
