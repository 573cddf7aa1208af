-- What subscribers are filtered by. Networks have a million of them: no filter reads them all.
CREATE INDEX subscribers_by_state ON objects (network, (body::jsonb ->> 'state'), name) WHERE kind = 'subscribers';
CREATE INDEX subscribers_by_title ON objects (network, (body::jsonb ->> 'title'), name) WHERE kind = 'subscribers';
CREATE INDEX subscribers_by_msisdn ON objects (network, (body::jsonb ->> 'msisdn'), name)
    WHERE kind = 'subscribers' AND (body::jsonb ->> 'msisdn') IS NOT NULL;
CREATE INDEX subscribers_by_data_plan ON objects (network, (body::jsonb ->> 'data_plan'), name)
    WHERE kind = 'subscribers' AND (body::jsonb ->> 'data_plan') IS NOT NULL;
