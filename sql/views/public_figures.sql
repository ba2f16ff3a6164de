-- What everybody may know of people's feedback: a cell is there from 5 people on, and changes only when at least 5 people changed it.
-- grain: quarter, task_type, model_tier, figure
-- reads: public_cells
-- Made from the ratings given with visibility public; the same for every viewer.
select
    quarter,  -- first day of the quarter (UTC) in which the ratings were given
    task_type,  -- normalised task type
    model_tier,  -- small, medium, large or unknown
    figure,  -- a satisfaction or an issue
    n_ratings,  -- ratings that say so
    n_people,  -- people who gave them, at least 5
from people.public_cells
