"""Queries about jobs and deliveries, each row one JSON document: for the command and for /admin alike.

The states are those of OGC API Processes (statusCode): accepted, running, successful, failed, dismissed.
"""

from typing import Any

STATES = ("accepted", "running", "successful", "failed", "dismissed")

JOBS = """
select json_build_object(
  'id', id, 'task', task, 'status', status, 'outcome', outcome, 'dataset', args->>'dataset',
  'packages', args->'packages', 'collection', args->>'collection', 'source', args->>'source', 'queue', queue_name,
  'priority', priority, 'attempts', attempts, 'cancelling', abort_requested and status = 'running', 'worker', worker,
  'step', step, 'done', done, 'total', total, 'rows', rows, 'created', created, 'scheduled', scheduled_at,
  'started', started, 'finished', case when status not in ('accepted', 'running') then ended end,
  'updated', updated, 'message', message)::text
from (
  select j.id, j.args, j.queue_name, j.priority, j.abort_requested, j.scheduled_at, j.attempts, j.task_name as task,
    case j.status::text when 'todo' then 'accepted' when 'doing' then 'running' when 'succeeded' then 'successful'
      when 'failed' then 'failed' else 'dismissed' end as status,
    p.worker, p.step, p.done, p.total, p.rows, p.outcome, p.message, p.updated, e.*
  from jobs.procrastinate_jobs j
  left join jobs.progress p on p.job = j.id
  left join lateral (
    select min(at) filter (where type = 'deferred') as created, max(at) filter (where type = 'started') as started,
      max(at) filter (where type in ('succeeded', 'failed', 'cancelled', 'aborted')) as ended
    from jobs.procrastinate_events where job_id = j.id) e on true
  order by j.id desc) j
where (%(id)s::bigint is null or id = %(id)s) and (%(before)s::bigint is null or id < %(before)s)
  and (%(status)s::text is null or status = %(status)s)
  and (%(dataset)s::text is null or args->>'dataset' = %(dataset)s)
order by id desc limit %(limit)s
"""

REPORT = "select report::text from jobs.progress where job = %(id)s"

WORKERS_ALIVE = """
select count(*) from jobs.procrastinate_workers where last_heartbeat > now() - %(silence)s * interval '1 second'
"""

DELIVERIES = """
select (to_jsonb(d) || jsonb_build_object(
  'files', (select coalesce(jsonb_agg(to_jsonb(f) - 'delivery' order by name), '[]')
    from provenance.file f where f.delivery = d.id),
  'collections', (select coalesce(jsonb_object_agg(l.collection, to_jsonb(l) - 'delivery' - 'collection'), '{}')
    from provenance.load l where l.delivery = d.id),
  'not_passed', (select coalesce(jsonb_agg(to_jsonb(c) - 'delivery' - 'passed' order by collection, rule), '[]')
    from provenance.checked c where c.delivery = d.id and not c.passed),
  'rejects', (select count(*) from provenance.reject r where r.delivery = d.id)))::text
from provenance.delivery d
where (%(before)s::bigint is null or d.id < %(before)s) and (%(status)s::text is null or d.status = %(status)s)
  and (%(dataset)s::text is null or d.dataset = %(dataset)s)
order by d.id desc limit %(limit)s
"""


def job_filter(**given: Any) -> dict[str, Any]:
    """Parameters of JOBS and DELIVERIES: `id`, `before` (an id), `status`, `dataset`; all of them where not given."""
    return {"id": None, "before": None, "status": None, "dataset": None, "limit": 50, **given}
