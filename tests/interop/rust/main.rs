//! Microsoft's Rust processor: `EventProcessor` with its blob store. See ../../README.md for what it reads and prints.
use azure_core::{http::Url, time::Duration};
use azure_messaging_eventhubs::{
    ConsumerClient, EventProcessor, ProcessorStrategy, StartLocation, StartPosition,
    models::{ReceivedEventData, StartPositions},
    processor::PartitionClient,
};
use azure_messaging_eventhubs_checkpointstore_blob::BlobCheckpointStore;
use azure_storage_blob::BlobContainerClient;
use futures::StreamExt;
use std::{error::Error, sync::Arc};
use tokio::{
    signal::unix,
    sync::watch,
    task::{JoinSet, LocalSet},
};

fn order(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn seconds(name: &str) -> Duration {
    Duration::seconds_f64(order(name).parse().expect("a number"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The streams of events cannot move between threads.
    LocalSet::new().run_until(process()).await
}

async fn process() -> Result<(), Box<dyn Error>> {
    let mut terminated = unix::signal(unix::SignalKind::terminate())?;
    let container =
        BlobContainerClient::new(Url::parse(&order("BLOB_CONTAINER_URL"))?, None, None)?;
    let consumer = ConsumerClient::builder()
        .with_consumer_group(order("CONSUMER_GROUP"))
        .with_custom_endpoint(format!("amqps://{}", order("HUB_ENDPOINT")))
        .open_with_connection_string(&order("HUB_CONNECTION_STRING"), None)
        .await?;
    let processor = EventProcessor::builder()
        .with_load_balancing_strategy(ProcessorStrategy::Greedy)
        .with_update_interval(seconds("CLAIM_SECONDS"))
        .with_partition_expiration_duration(seconds("OWNERSHIP_SECONDS"))
        .with_start_positions(StartPositions {
            default: StartPosition {
                location: StartLocation::Earliest,
                ..Default::default()
            },
            ..Default::default()
        })
        .build(consumer, BlobCheckpointStore::new(container))
        .await?;
    let (stop, stopping) = watch::channel(false);
    let running = tokio::spawn({
        let processor = processor.clone();
        async move { processor.run().await }
    });
    let mut partitions = JoinSet::new();
    loop {
        tokio::select! {
            _ = terminated.recv() => break,
            client = processor.next_partition_client() => {
                partitions.spawn_local(receive(client?, stopping.clone()));
            }
        }
    }
    stop.send(true)?;
    while let Some(done) = partitions.join_next().await {
        done?;
    }
    processor.shutdown().await?;
    running.await??;
    println!("stopped");
    Ok(())
}

/// Handles the events of one partition, until told to stop or until another owner takes it.
async fn receive(client: Arc<PartitionClient>, mut stopping: watch::Receiver<bool>) {
    let every: u64 = order("CHECKPOINT_EVERY").parse().expect("a number");
    let mut handled = 0;
    let mut last = None;
    {
        let mut events = client.stream_events();
        loop {
            let event = tokio::select! {
                biased;
                _ = stopping.changed() => break,
                event = events.next() => event,
            };
            match event {
                Some(Ok(event)) => {
                    let body =
                        String::from_utf8_lossy(event.event_data().body().unwrap_or_default())
                            .into_owned();
                    println!(
                        "event {} {} {body}",
                        client.get_partition_id(),
                        event.sequence_number().unwrap_or(-1)
                    );
                    handled += 1;
                    last = Some(event);
                    if handled % every == 0 {
                        checkpoint(&client, &mut last).await;
                    }
                }
                Some(Err(error)) => {
                    eprintln!("error in partition {}: {error}", client.get_partition_id());
                    break;
                }
                None => break,
            }
        }
    }
    checkpoint(&client, &mut last).await;
}

async fn checkpoint(client: &PartitionClient, last: &mut Option<ReceivedEventData>) {
    if let Some(event) = last.take() {
        client
            .update_checkpoint(&event)
            .await
            .expect("a checkpoint");
        println!(
            "checkpoint {} {}",
            client.get_partition_id(),
            event.sequence_number().unwrap_or(-1)
        );
    }
}
