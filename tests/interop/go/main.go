// Microsoft's Go processor: azeventhubs.Processor with its blob store. See ../README.md for what it reads and prints.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2/checkpoints"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

func main() {
	stopping, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	blobs := must(container.NewClientFromConnectionString(os.Getenv("BLOB_CONNECTION_STRING"), os.Getenv("BLOB_CONTAINER"), nil))
	store := must(checkpoints.NewBlobStore(blobs, nil))
	client := must(azeventhubs.NewConsumerClientFromConnectionString(
		os.Getenv("HUB_CONNECTION_STRING"), "", os.Getenv("CONSUMER_GROUP"),
		&azeventhubs.ConsumerClientOptions{
			CustomEndpoint: os.Getenv("HUB_ENDPOINT"),
			TLSConfig:      trusting(os.Getenv("HUB_CA_FILE")),
		}))
	earliest := true
	processor := must(azeventhubs.NewProcessor(client, store, &azeventhubs.ProcessorOptions{
		LoadBalancingStrategy:       azeventhubs.ProcessorStrategyGreedy,
		UpdateInterval:              seconds("CLAIM_SECONDS"),
		PartitionExpirationDuration: seconds("OWNERSHIP_SECONDS"),
		StartPositions:              azeventhubs.StartPositions{Default: azeventhubs.StartPosition{Earliest: &earliest}},
	}))
	var partitions sync.WaitGroup
	go func() {
		for {
			partition := processor.NextPartitionClient(stopping)
			if partition == nil {
				return
			}
			partitions.Add(1)
			go func() {
				defer partitions.Done()
				receive(stopping, partition)
			}()
		}
	}()
	if err := processor.Run(stopping); err != nil {
		fail(err)
	}
	partitions.Wait()
	_ = client.Close(context.Background())
	fmt.Println("stopped")
}

// receive handles the events of one partition, until told to stop or until another owner takes it.
func receive(stopping context.Context, partition *azeventhubs.ProcessorPartitionClient) {
	defer partition.Close(context.Background())
	var last *azeventhubs.ReceivedEventData
	checkpoint := func() {
		if last == nil {
			return
		}
		if err := partition.UpdateCheckpoint(context.Background(), last, nil); err != nil {
			fail(err)
		}
		fmt.Println("checkpoint", partition.PartitionID(), last.SequenceNumber)
		last = nil
	}
	defer checkpoint()
	every, handled := must(strconv.Atoi(os.Getenv("CHECKPOINT_EVERY"))), 0
	for stopping.Err() == nil {
		// It returns when it has so many events, or no patience any more.
		patience, cancel := context.WithTimeout(stopping, 200*time.Millisecond)
		events, err := partition.ReceiveEvents(patience, 20, nil)
		cancel()
		for _, event := range events {
			if stopping.Err() != nil {
				return
			}
			fmt.Println("event", partition.PartitionID(), event.SequenceNumber, string(event.Body))
			last = event
			if handled++; handled%every == 0 {
				checkpoint()
			}
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, "error in partition", partition.PartitionID(), err)
			return
		}
	}
}

func trusting(caFile string) *tls.Config {
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(must(os.ReadFile(caFile)))
	return &tls.Config{RootCAs: trusted}
}

func seconds(name string) time.Duration {
	return time.Duration(must(strconv.ParseFloat(os.Getenv(name), 64)) * float64(time.Second))
}

func must[T any](value T, err error) T {
	if err != nil {
		fail(err)
	}
	return value
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
