// River: one message a job, the job's own state as the status of the message.
//
//	river_peer enqueue COUNT 1
//	river_peer work SIZE 1
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const (
	body       = `{"id": %d, "phone": %d, "text": "The same text for everybody"}`
	firstPhone = 79_000_000_000
)

type sendArgs struct {
	ID int64 `json:"id"`
}

func (sendArgs) Kind() string { return "send" }

type sender struct {
	river.WorkerDefaults[sendArgs]
	client  *http.Client
	gateway string
}

// Work posts one message.
func (s *sender) Work(ctx context.Context, job *river.Job[sendArgs]) error {
	id := job.Args.ID
	url, body := fmt.Sprintf("%s/send/%d", s.gateway, id), fmt.Sprintf(body, id, firstPhone+id)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header = http.Header{"Authorization": {"Bearer benchmark"}, "Content-Type": {"application/json"}}
	answer, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	// Read to its end, or the connection is not kept.
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the gateway answered %d", answer.StatusCode)
	}
	return nil
}

func enqueue(ctx context.Context, pool *pgxpool.Pool, count int) error {
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New[pgx.Tx](driver, nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	client, err := river.NewClient(driver, &river.Config{})
	if err != nil {
		return err
	}
	jobs := make([]river.InsertManyParams, count)
	for index := range jobs {
		jobs[index].Args = sendArgs{ID: int64(index) + 1}
	}
	_, err = client.InsertManyFast(ctx, jobs)
	return err
}

func work(ctx context.Context, pool *pgxpool.Pool, size int) error {
	transport := &http.Transport{MaxIdleConns: size, MaxIdleConnsPerHost: size, DisableCompression: true}
	workers := river.NewWorkers()
	river.AddWorker(workers, &sender{client: &http.Client{Transport: transport}, gateway: os.Getenv("PEER_GATEWAY_URL")})
	client, err := river.NewClient[pgx.Tx](riverpgxv5.New(pool), &river.Config{
		// As River's own benchmark (river bench) has them.
		FetchCooldown:     2 * time.Millisecond,
		FetchPollInterval: 20 * time.Millisecond,
		Logger:            slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: size}},
		Workers:           workers,
	})
	if err != nil {
		return err
	}
	err = client.Start(ctx)
	if err == nil {
		<-client.Stopped()
	}
	return err
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	number, err := strconv.Atoi(os.Args[2])
	pool, poolErr := pgxpool.New(ctx, os.Getenv("PEER_DATABASE_URL"))
	if err := errors.Join(err, poolErr); err != nil {
		log.Fatal(err)
	}
	if os.Args[1] == "enqueue" {
		err = enqueue(ctx, pool, number)
	} else {
		err = work(ctx, pool, number)
	}
	if err != nil {
		log.Fatal(err)
	}
}
