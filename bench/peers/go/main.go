// The way from one partition of a hub into Kafka on the stock clients for Go, as fast as we could make it.
// See ../../README.md for how it is measured; it runs until SIGTERM and keeps no position.
//
// Tried, as CPU time per uniform event over that of what is here: prefetch 300, the default, with 300 events a call 1.34; 2,000
// and 500 1.02; Go's default of 100 for the collector 1.06. JSON is written by hand into one buffer for many records, because
// encoding/json looks at every type by reflection; records are made in one piece for a call.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	partition  = "0"
	prefetch   = 5_000
	batch      = 1_000
	patience   = 20 * time.Millisecond
	arenaBytes = 1 << 20
	gcPercent  = 400
	device     = "iothub-connection-device-id"
	module     = "iothub-connection-module-id"
)

func main() {
	debug.SetGCPercent(gcPercent)
	stopping, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	kafka := must(kgo.NewClient(
		kgo.SeedBrokers(os.Getenv("KAFKA_BOOTSTRAP")),
		kgo.DefaultProduceTopic(os.Getenv("TOPIC")),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerLinger(5*time.Millisecond),
		kgo.ProducerBatchMaxBytes(1_000_000),
		kgo.MaxBufferedRecords(100_000),
	))
	defer kafka.Close()
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(must(os.ReadFile(os.Getenv("HUB_CA_FILE"))))
	hub := must(azeventhubs.NewConsumerClientFromConnectionString(
		os.Getenv("HUB_CONNECTION_STRING"), "", azeventhubs.DefaultConsumerGroup,
		&azeventhubs.ConsumerClientOptions{
			CustomEndpoint: os.Getenv("HUB_ENDPOINT"),
			TLSConfig:      &tls.Config{RootCAs: trusted},
		}))
	earliest := true
	events := must(hub.NewPartitionClient(partition, &azeventhubs.PartitionClientOptions{
		StartPosition: azeventhubs.StartPosition{Earliest: &earliest},
		Prefetch:      prefetch,
	}))
	// The first call opens the link, which takes longer than the patience of the others.
	send(kafka, must(events.ReceiveEvents(stopping, 1, nil)))
	for stopping.Err() == nil {
		patient, done := context.WithTimeout(stopping, patience)
		received, err := events.ReceiveEvents(patient, batch, nil)
		done()
		send(kafka, received)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			fail(err)
		}
	}
}

var arena []byte

// send hands one record for each event to the producer; waits while that has no room.
func send(kafka *kgo.Client, events []*azeventhubs.ReceivedEventData) {
	records := make([]kgo.Record, len(events))
	for i, event := range events {
		if cap(arena)-len(arena) < 4_096 {
			arena = make([]byte, 0, arenaBytes)
		}
		start := len(arena)
		deviceID, _ := event.SystemProperties[device].(string)
		arena = appendRecord(arena, event)
		records[i] = kgo.Record{
			Key:       []byte(deviceID),
			Value:     arena[start:len(arena):len(arena)],
			Timestamp: *event.EnqueuedTime,
		}
		kafka.Produce(context.Background(), &records[i], acknowledged)
	}
}

func acknowledged(_ *kgo.Record, err error) {
	if err != nil {
		fail(err)
	}
}

// appendRecord writes the JSON that ingest's format `json` makes of an event; the order within objects is free.
func appendRecord(out []byte, event *azeventhubs.ReceivedEventData) []byte {
	out = append(out, `{"deviceId":`...)
	out = appendValue(out, event.SystemProperties[device])
	if id, ok := event.SystemProperties[module]; ok {
		out = append(out, `,"moduleId":`...)
		out = appendValue(out, id)
	}
	out = append(out, `,"offset":`...)
	out = appendText(out, event.Offset)
	out = append(out, `,"sequenceNumber":`...)
	out = strconv.AppendInt(out, event.SequenceNumber, 10)
	out = append(out, `,"partition":"`+partition+`","enqueuedTime":"`...)
	out = event.EnqueuedTime.UTC().AppendFormat(out, "2006-01-02T15:04:05.000Z")
	out = append(out, `","contentType":`...)
	out = appendOptional(out, event.ContentType)
	out = append(out, `,"contentEncoding":`...)
	properties := event.RawAMQPMessage.Properties
	if properties == nil {
		out = append(out, "null"...)
	} else {
		out = appendOptional(out, properties.ContentEncoding)
	}
	if event.MessageID != nil {
		out = append(out, `,"messageId":`...)
		out = appendText(out, *event.MessageID)
	}
	if event.CorrelationID != nil {
		out = append(out, `,"correlationId":`...)
		out = appendValue(out, event.CorrelationID)
	}
	out = append(out, `,"content":`...)
	if utf8.Valid(event.Body) {
		out = appendText(out, event.Body)
	} else {
		out = append(out, '"')
		out = base64.StdEncoding.AppendEncode(out, event.Body)
		out = append(out, `","contentTransfer":"base64"`...)
	}
	out = append(out, `,"systemProperties":{`...)
	first := true
	for name, value := range event.SystemProperties {
		if name != device && name != module {
			out = appendMember(out, name, value, &first)
		}
	}
	if properties != nil && properties.CreationTime != nil {
		out = appendMember(out, "creation-time", *properties.CreationTime, &first)
	}
	out = append(out, `},"properties":{`...)
	first = true
	for name, value := range event.Properties {
		out = appendMember(out, name, value, &first)
	}
	return append(out, "}}"...)
}

func appendMember(out []byte, name string, value any, first *bool) []byte {
	if !*first {
		out = append(out, ',')
	}
	*first = false
	out = append(appendText(out, name), ':')
	return appendValue(out, value)
}

func appendOptional(out []byte, text *string) []byte {
	if text == nil {
		return append(out, "null"...)
	}
	return appendText(out, *text)
}

func appendValue(out []byte, value any) []byte {
	switch value := value.(type) {
	case string:
		return appendText(out, value)
	case time.Time:
		return strconv.AppendInt(out, value.UnixMilli(), 10)
	default:
		return append(out, must(json.Marshal(value))...)
	}
}

// appendText writes UTF-8 as a JSON string, in stretches between what must be escaped.
func appendText[T string | []byte](out []byte, text T) []byte {
	out = append(out, '"')
	since := 0
	for at := 0; at < len(text); at++ {
		char := text[at]
		if char >= ' ' && char != '"' && char != '\\' {
			continue
		}
		out = append(out, text[since:at]...)
		since = at + 1
		switch char {
		case '"', '\\':
			out = append(out, '\\', char)
		case '\n':
			out = append(out, `\n`...)
		case '\r':
			out = append(out, `\r`...)
		case '\t':
			out = append(out, `\t`...)
		default:
			out = fmt.Appendf(out, `\u%04x`, char)
		}
	}
	return append(append(out, text[since:]...), '"')
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
