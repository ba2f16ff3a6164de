-- The queues in which something was labelled that whoever looks may see, the one with the most labels first.
-- grain: queue, label_schema
-- reads: feedback
select
    queue,  -- its name
    label_schema,  -- what was asked
    count(case when feedback_type = 'label' then 1 end) as n_labels,  -- labels that count
    count(case when feedback_type = 'adjudication' then 1 end) as n_adjudications,  -- words that ended a disagreement
    count(distinct task_id) as n_items,  -- executions with at least one
    count(distinct annotator) as n_annotators,  -- people who gave them
from feedback
where is_current and feedback_type in ('label', 'adjudication')
group by queue, label_schema
order by n_labels desc, queue, label_schema
